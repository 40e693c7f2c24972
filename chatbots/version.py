"""The version, and the name under which the package index knows this package."""

VERSION = "0.1.0"

DISTRIBUTION = "chatriver"
"""What to `pip install`; the import name `chatbots` belongs to somebody else there."""
