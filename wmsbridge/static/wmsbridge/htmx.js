// HTMX would write a <style> into the page and make functions of attributes: the Content-Security-Policy forbids the
// one, and nothing of ours needs either.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
