// A folder as a stored ZIP, the way Go's archive/zip does it: go run go.go PORT FOLDER
package main

import (
	"archive/zip"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
)

func main() {
	port, root := os.Args[1], os.Args[2]
	http.HandleFunc("/archive/", func(w http.ResponseWriter, r *http.Request) {
		folder := filepath.Join(root, filepath.Base(r.URL.Path))
		w.Header().Set("Content-Type", "application/zip")
		archive := zip.NewWriter(w)
		err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			return add(archive, folder, path)
		})
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		archive.Close()
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}

func add(archive *zip.Writer, folder, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header, err := zip.FileInfoHeader(info)
	if err != nil {
		return err
	}
	header.Name, _ = filepath.Rel(folder, path)
	header.Method = zip.Store
	entry, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(entry, file)
	return err
}
