"""The backend beside nginx, the generator beside wrk: measured side by side."""
