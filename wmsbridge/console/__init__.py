"""Parts of the console that concern all apps: the sidebar, links between pages, work that is blocked."""
