"""Putting an account into a price tier is a permission of its own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """The permission, which Django makes after migrating; and what the field is for."""

    dependencies = (("accounts", "0001_initial"),)

    operations = (
        migrations.AlterModelOptions(
            name="account",
            options={
                "permissions": (
                    ("close_account", "Can close an account"),
                    ("freeze_account", "Can freeze and release an account"),
                    ("set_price_tier", "Can set an account's price tier"),
                )
            },
        ),
        migrations.AlterField(
            model_name="account",
            name="price_tier",
            field=models.CharField(blank=True, help_text="Multipliers of this tier are what it pays of the prices.", max_length=32),
        ),
    )
