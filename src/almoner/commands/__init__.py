"""The commands of ``almoner``, one file a group."""
