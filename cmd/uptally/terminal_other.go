//go:build !unix

package main

import "os"

// terminalWidth knows no terminals here.
func terminalWidth(*os.File) int { return 0 }
