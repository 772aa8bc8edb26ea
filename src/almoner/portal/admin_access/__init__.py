"""Who gave access: clients, secrets, tokens, webhooks, environments, published programs, accounts
and sign-ins.
"""
