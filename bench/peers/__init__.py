"""What Almoner is measured against. None of it is part of the product."""
