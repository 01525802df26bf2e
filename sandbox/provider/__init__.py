"""The provider plugin: translates between Pulumi's engine and the account."""
