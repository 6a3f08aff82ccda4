"""The dashboard in the browser: fed by topics alone, so it can run beside a pipeline that runs anywhere."""
