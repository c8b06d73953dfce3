print("lathe-run")
