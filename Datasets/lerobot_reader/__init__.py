"""Reads LeRobot datasets v2.0, v2.1 and v3.0, one episode at a time, for `import_lerobot.py`."""
