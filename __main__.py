"""`python -m hitl` from the folder above a checkout called ``hitl``: Python takes the checkout itself for the package."""

import os
import runpy
import sys

sys.modules.pop("hitl", None)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
runpy.run_module("hitl", run_name="__main__", alter_sys=True)
