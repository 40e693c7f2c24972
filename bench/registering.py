"""What a hundred tools cost before one is used, and their schemas when the first turn asks."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from bench.measure import Report, interleaved, times

HUNDRED = """
import sys, time
from chatbots import ToolRegistry, tool

def book(city: str, nights: int = 1, breakfast: bool = False) -> str:
    '''Book a hotel.

    Args:
        city: where, by its English name
    '''
    return city

functions = [tool(name=f"book_{n}") for n in range(100)]
begun = time.perf_counter()
registry = ToolRegistry(make(book) for make in functions)
registered = time.perf_counter()
if "pydantic" in sys.modules:
    raise SystemExit("Registering has imported pydantic: a schema was made, or could have been.")
if REGISTERED:
    print(registered - begun)
else:
    import pydantic.json_schema
    begun = time.perf_counter()
    registry.specs()
    print(time.perf_counter() - begun)
"""


def report(*, smoke: bool) -> Report:
    """Measure and return the table; raises `CalledProcessError` where pydantic came too soon."""

    def run(registered: str) -> float:
        command = [sys.executable, "-c", HUNDRED.replace("REGISTERED", registered)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return float(done.stdout)

    named = {"registered, no schema made": "True", "their schemas, once": "False"}
    runs = {name: partial(run, registered) for name, registered in named.items()}
    found = interleaved(runs, 2 if smoke else 15)
    return times("100 tools", found, base="registered, no schema made")
