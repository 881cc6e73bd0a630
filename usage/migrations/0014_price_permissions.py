"""Importing a price list is a permission of its own."""

from django.db import migrations


class Migration(migrations.Migration):
    """The permission, which Django makes after migrating."""

    dependencies = (("usage", "0013_uncounted"),)

    operations = (
        migrations.AlterModelOptions(
            name="priceversion",
            options={
                "permissions": (("activate_priceversion", "Can activate a price version"), ("import_prices", "Can import a price list"))
            },
        ),
    )
