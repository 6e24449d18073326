"""Points on a ring, made by two networks that learn against each other."""
