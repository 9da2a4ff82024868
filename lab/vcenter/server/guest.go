// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// What happens to disks from the machine's side: its guest writes, its administrator adds and grows. All of
// it is called under the machine's lock.

// write puts bytes into the disk. The blocks are marked as changed first: a kill in between marks too many,
// never too few.
func (vm *virtualMachine) write(disk *diskRecord, data []byte, offset int64) error {
	if len(data) == 0 {
		return nil
	}
	var blocks []int64
	for block := offset / blockSize; block*blockSize < offset+int64(len(data)); block++ {
		blocks = append(blocks, block)
	}
	return vm.withDisk(disk, func(opened *stack) error {
		if offset < 0 || offset+int64(len(data)) > opened.capacity {
			return fmt.Errorf("%d bytes at %d pass the end of a disk of %d bytes", len(data), offset, opened.capacity)
		}
		if err := vm.markChanged(disk, blocks); err != nil {
			return err
		}
		return opened.writeAt(data, offset)
	})
}

// importFrom lets the disk read as the raw file does: each block that differs is written and counts as
// changed. It returns how many bytes that were.
func (vm *virtualMachine) importFrom(disk *diskRecord, path string) (interface{}, error) {
	image, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	var changed int64
	err = vm.withDisk(disk, func(opened *stack) error {
		differing, err := differences(opened, image)
		if err != nil {
			return err
		}
		changed = int64(len(differing)) * blockSize
		if err := vm.markChanged(disk, differing); err != nil {
			return err
		}
		return copyBlocks(opened, image, differing)
	})
	return map[string]int64{"changed": changed}, err
}

func differences(opened *stack, image *os.File) ([]int64, error) {
	info, err := image.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > opened.capacity {
		return nil, fmt.Errorf("an image of %d bytes is no content for a disk of %d bytes", info.Size(), opened.capacity)
	}
	var found []int64
	there := make([]byte, blockSize)
	for block := int64(0); block < opened.blocks(); block++ {
		here, err := opened.read(block)
		if err != nil {
			return nil, err
		}
		there = there[:len(here)]
		if err := readImage(image, block, there); err != nil {
			return nil, err
		}
		if !bytes.Equal(here, there) {
			found = append(found, block)
		}
	}
	return found, nil
}

func copyBlocks(opened *stack, image *os.File, blocks []int64) error {
	for _, block := range blocks {
		data := make([]byte, opened.length(block))
		if err := readImage(image, block, data); err != nil {
			return err
		}
		if err := opened.write(block, data); err != nil {
			return err
		}
	}
	return nil
}

// readImage fills the buffer with a block of the image; behind its end are zeros.
func readImage(image *os.File, block int64, buffer []byte) error {
	count, err := image.ReadAt(buffer, block*blockSize)
	copy(buffer[count:], zeros[:])
	if err == io.EOF {
		return nil
	}
	return err
}

func (vm *virtualMachine) withDisk(disk *diskRecord, do func(*stack) error) error {
	opened, err := vm.files.open(vm.record.chain(disk.Key), disk.Link)
	if err != nil {
		return err
	}
	defer opened.Close()
	return do(opened)
}

func (vm *virtualMachine) markChanged(disk *diskRecord, blocks []int64) error {
	tracked, err := loadTracker(vm.files, disk.Link)
	if err != nil || tracked == nil {
		return err
	}
	tracked.mark(blocks)
	return saveTracker(vm.files, disk.Link, tracked)
}

// rewind lets the counter of the disk's change ids go back under the same uuid.
func (vm *virtualMachine) rewind(disk *diskRecord) error {
	tracked, err := loadTracker(vm.files, disk.Link)
	if err != nil {
		return err
	}
	if tracked == nil {
		return fmt.Errorf("disk %d is not tracked", disk.Key)
	}
	tracked.rewind()
	return saveTracker(vm.files, disk.Link, tracked)
}

// exportTo writes what the disk reads as, now or in a snapshot, to a raw file.
func (vm *virtualMachine) exportTo(key int32, wanted diskRequest) error {
	disks := vm.record.Disks
	for _, taken := range vm.record.Snapshots {
		if snapshotReference(vm.record, taken.ID).Value == wanted.Snapshot {
			disks = taken.Disks
		}
	}
	disk := findDisk(disks, key)
	if disk == nil {
		return fmt.Errorf("the snapshot %s has no disk %d", wanted.Snapshot, key)
	}
	return vm.withDisk(disk, func(opened *stack) error { return opened.copyOut(wanted.Path) })
}

// errChained: as ESXi, the lab changes size and number of disks only without snapshots.
var errChained = errors.New("the machine has snapshots")

func (vm *virtualMachine) grow(disk *diskRecord, capacity int64) error {
	chain := vm.record.chain(disk.Key)
	if len(chain.Parents) > 0 {
		return errChained
	}
	if capacity <= chain.Capacity || capacity%512 != 0 {
		return fmt.Errorf("%d bytes are no size to grow to from %d", capacity, chain.Capacity)
	}
	if err := os.Truncate(vm.files.extent(chain, chain.Base), capacity); err != nil {
		return err
	}
	return asError(vm.change(func() error {
		chain.Capacity, disk.Capacity = capacity, capacity
		return vm.files.describe(chain, chain.Base)
	}))
}

func (vm *virtualMachine) addDisk(wanted diskSpec) (interface{}, error) {
	if wanted.Image == "" && wanted.Size <= 0 {
		return nil, errors.New("a disk needs an image or a size")
	}
	var key int32
	fault := vm.change(func() error {
		disk, err := vm.site.addDisk(vm.record, wanted)
		if err != nil {
			return err
		}
		key = disk.Key
		if vm.record.TrackingActive && disk.isFrozenBySnapshots() {
			return vm.startTracking(disk)
		}
		return nil
	})
	return map[string]int32{"key": key}, asError(fault)
}

// dropDisk takes the disk from the machine; its files stay as long as snapshots need them.
func (vm *virtualMachine) dropDisk(key int32) error {
	return asError(vm.change(func() error {
		kept := []diskRecord{}
		for _, disk := range vm.record.Disks {
			if disk.Key != key {
				kept = append(kept, disk)
			}
		}
		vm.record.Disks = kept
		return vm.record.consolidate(vm.files, vm.save)
	}))
}
