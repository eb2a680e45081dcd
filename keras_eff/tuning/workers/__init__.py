"""A search in many processes: a chief, its workers, and who watches them."""
