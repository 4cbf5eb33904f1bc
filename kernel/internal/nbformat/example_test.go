package nbformat_test

import (
	"fmt"

	"tokenfuse/kernel/internal/nbformat"
)

func ExampleInject() {
	notebook, err := nbformat.Parse([]byte(`{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
		{"id": "a", "cell_type": "code", "metadata": {"tags": ["parameters"]}, "outputs": [], "execution_count": null,
		 "source": ["var r = 8 // tokens fused in each layer\n", "var tau = 1.0"]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := nbformat.Inject(notebook, []string{"r=16"}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(notebook.Cells[1].Source)
	fmt.Println(nbformat.Inject(notebook, []string{"R=16"}))
	// Output:
	// var r int = 16
	// unknown parameter "R"; the parameters are: r int (default 8), tau float64 (default 1.0)
}
