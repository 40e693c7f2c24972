"""What the README claims about speed, each claim a program: `python -m bench`."""
