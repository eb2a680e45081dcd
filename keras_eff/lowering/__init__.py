"""The same model, in operators that a target runs well."""
