"""
Providers behind one Protocol. An adapter translates; it never decides, stores or reads our tables. SDKs are imported nowhere else.
"""
