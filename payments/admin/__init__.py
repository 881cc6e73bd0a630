"""
Attempts, reviews, the inbox and the customers at providers in the admin: to be read, and acted on by dialogs.

An order's own page is in `billing_platform.console.order_page`: it shows credits and the audit trail, beside this app.
"""

from payments.admin.attempts import PaymentAttemptAdmin
from payments.admin.customers import ProviderCustomerAdmin
from payments.admin.events import ProviderEventAdmin, ProviderFeedAdmin
from payments.admin.reviews import PaymentReviewAdmin

__all__ = ("PaymentAttemptAdmin", "PaymentReviewAdmin", "ProviderCustomerAdmin", "ProviderEventAdmin", "ProviderFeedAdmin")
