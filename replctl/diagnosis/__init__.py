"""What is there and what ails it: the answers of `backends`, `discover` and `doctor`, as values.

Everything here looks and changes nothing. Drivers are opened anew through the services, and closed at the end.
"""
