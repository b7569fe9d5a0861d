"""The Delta worker: does to Delta tables what frames on a Unix socket ask for, with delta-rs."""

PROTOCOL_VERSION = 1
"""Version of the frames; both sides refuse another one."""
