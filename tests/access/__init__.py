"""Tests of who may do what: clients, secrets, tokens, scopes and the audit trail."""
