"""What tests and benchmarks do to a real Odoo, and how they compare it with the platform."""
