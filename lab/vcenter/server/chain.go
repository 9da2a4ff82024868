// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// chainFiles is where the files of a machine's chains lie: its directory on the datastore.
//
//	web01.vmdk         web01-flat.vmdk          the base; frozen by the first snapshot
//	web01-000001.vmdk  web01-000001-delta.vmdk  what was written since
//	web01-000001-ctk.vmdk                       the change tracking of that link
type chainFiles struct{ directory string }

func (f chainFiles) descriptor(link string) string { return filepath.Join(f.directory, link+".vmdk") }
func (f chainFiles) tracking(link string) string {
	return filepath.Join(f.directory, link+"-ctk.vmdk")
}

func (f chainFiles) extent(chain *chainRecord, link string) string {
	if link == chain.Base {
		return filepath.Join(f.directory, link+"-flat.vmdk")
	}
	return filepath.Join(f.directory, link+"-delta.vmdk")
}

// open returns the disk as it reads at the link. Whoever calls closes it.
func (f chainFiles) open(chain *chainRecord, link string) (*stack, error) {
	opened := &stack{capacity: chain.Capacity}
	for {
		file, err := f.openLayer(chain, link)
		if err != nil {
			opened.Close()
			return nil, err
		}
		opened.layers = append(opened.layers, file)
		parent, isChild := chain.Parents[link]
		if !isChild {
			return opened, nil
		}
		link = parent
	}
}

func (f chainFiles) openLayer(chain *chainRecord, link string) (layer, error) {
	path := f.extent(chain, link)
	if link != chain.Base {
		return openChild(path)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0o600)
	return flatLayer{file}, err
}

// addChild makes an empty child of the link, and returns its name; the link takes no more writes.
func (f chainFiles) addChild(chain *chainRecord, link string) (string, error) {
	chain.Next++
	child := fmt.Sprintf("%s-%06d", chain.Base, chain.Next)
	// What a killed process left under this name belongs to no chain.
	if err := removeAll(f.extent(chain, child), f.tracking(child)); err != nil {
		return "", err
	}
	chain.Parents[child] = link
	file, err := openChild(f.extent(chain, child))
	if err != nil {
		return "", err
	}
	_ = file.Close()
	return child, f.describe(chain, child)
}

// describe writes the text file by which a configuration names the link.
func (f chainFiles) describe(chain *chainRecord, link string) error {
	kind, extent, hint := "vmfs", "VMFS", ""
	if parent, isChild := chain.Parents[link]; isChild {
		kind, extent = "vmfsSparse", "VMFSSPARSE"
		hint = fmt.Sprintf("parentFileNameHint=%q\n", parent+".vmdk")
	}
	text := fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=%q\n%sRW %d %s %q\n",
		kind, hint, chain.Capacity/512, extent, filepath.Base(f.extent(chain, link)))
	return replaceFile(f.descriptor(link), []byte(text))
}

// merge writes what the child holds into its parent, which then reads as the child does. It may be
// repeated after a kill in the middle: the child is still there.
func (f chainFiles) merge(chain *chainRecord, child string) error {
	from, err := f.openLayer(chain, child)
	if err != nil {
		return err
	}
	defer from.Close()
	into, err := f.openLayer(chain, chain.Parents[child])
	if err != nil {
		return err
	}
	defer into.Close()
	whole := stack{layers: []layer{from}, capacity: chain.Capacity}
	blocks := from.held()
	sort.Slice(blocks, func(i, j int) bool { return blocks[i] < blocks[j] })
	for _, block := range blocks {
		data, err := whole.read(block)
		if err != nil {
			return err
		}
		if err := into.write(block, data); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes the files of a link.
func (f chainFiles) remove(chain *chainRecord, link string) error {
	return removeAll(f.extent(chain, link), f.tracking(link), f.descriptor(link))
}

func removeAll(paths ...string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// children returns the links that stand on this one, in order of their names.
func (c *chainRecord) children(link string) []string {
	var found []string
	for child, parent := range c.Parents {
		if parent == link {
			found = append(found, child)
		}
	}
	sort.Strings(found)
	return found
}

// links returns all links of the chain, the base first.
func (c *chainRecord) links() []string {
	found := []string{}
	for child := range c.Parents {
		found = append(found, child)
	}
	sort.Strings(found)
	return append([]string{c.Base}, found...)
}

// forget takes a link out of the chain; what stood on it stands on its parent.
func (c *chainRecord) forget(link string) {
	for _, child := range c.children(link) {
		c.Parents[child] = c.Parents[link]
	}
	delete(c.Parents, link)
}
