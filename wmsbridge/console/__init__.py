"""The console as a whole: the sidebar, links between pages, work that is blocked."""
