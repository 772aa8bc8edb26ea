"""Whether the session of an open page goes on, so that nothing that was typed in it is lost."""
