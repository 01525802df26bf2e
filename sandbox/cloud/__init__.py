"""The account: one module per resource type, with its rules and what it does on this machine."""
