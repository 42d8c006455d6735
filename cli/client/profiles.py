"""`trainyard.http.profiles`, as commands know it."""

from trainyard.http.profiles import (
    DEFAULT,
    Profile,
    Profiles,
    checked_name,
    config_file,
    config_folder,
    read_file,
    read_profiles,
    write_profiles,
)

__all__ = [
    "DEFAULT",
    "Profile",
    "Profiles",
    "checked_name",
    "config_file",
    "config_folder",
    "read_file",
    "read_profiles",
    "write_profiles",
]
