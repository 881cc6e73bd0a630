"""Who may refund a usage event is a permission of its own."""

from django.db import migrations


class Migration(migrations.Migration):
    """Changes Django's state only: the permission itself is made after `migrate`. The view is what the new check reads."""

    dependencies = (("usage", "0011_platform_days"), ("credits", "0012_usage_return"))

    operations = (
        migrations.AlterModelOptions(
            name="usageevent",
            options={"permissions": (("refund_usageevent", "Can refund a usage event"),)},
        ),
    )
