"""What pages of the operators' console are made of: read-only pages, hot tables, money, filters, dialogs."""
