"""What Prometheus is told: `table` has the metrics, `reading` asks for them, `exposition` writes them."""
