// Reads a ZIP archive whole with archive/zip, which checks sizes and CRC-32, and prints the names:
// go run testing/readers.go ARCHIVE. Exits with 1 at a bad one.
package main

import (
	"archive/zip"
	"bufio"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := read(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) error {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	names := bufio.NewWriter(os.Stdout)
	for _, file := range archive.File {
		if err := readEntry(file); err != nil {
			return fmt.Errorf("%q: %w", file.Name, err)
		}
		fmt.Fprintln(names, file.Name)
	}
	return names.Flush()
}

func readEntry(file *zip.File) error {
	data, err := file.Open()
	if err != nil {
		return err
	}
	defer data.Close()
	_, err = io.Copy(io.Discard, data)
	return err
}
