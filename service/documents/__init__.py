"""Documents of the served index over HTTP: taken in, listed, withdrawn while questions are answered."""
