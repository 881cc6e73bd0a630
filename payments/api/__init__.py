"""How clients buy credits, and what they read of their orders."""
