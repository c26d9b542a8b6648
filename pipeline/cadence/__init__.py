"""How often to write: what a touch costs in people who leave, and what may be changed tonight."""
