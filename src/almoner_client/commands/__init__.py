"""The commands of ``almoner-client``, a file each."""
