"""Devices that files are measured on, over adb and ssh."""
