"""Execute the notebook in argv[1] with nbclient and the kernelspec "tokenfuse"; print it as JSON."""
import sys

import nbclient
import nbformat

notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, kernel_name="tokenfuse", timeout=600).execute(cwd=sys.argv[2])
sys.stdout.write(nbformat.writes(notebook))
