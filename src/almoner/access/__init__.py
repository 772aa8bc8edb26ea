"""Who may do what: environments, clients, secrets, tokens, scopes and the audit trail."""
