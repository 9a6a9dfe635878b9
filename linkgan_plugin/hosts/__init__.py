"""Support for hosts: running, patching and checking them, compatibility fixes and CPU emulation."""
