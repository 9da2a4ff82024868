// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// blockSize is the unit in which children of a chain hold data and in which changes are tracked, in bytes.
const blockSize = 64 * 1024

// layer is one file of a chain. A block is one of `blockSize` bytes; that at the end of a disk may be shorter.
type layer interface {
	// read fills the buffer with the block, or returns false when this file does not hold it.
	read(block int64, buffer []byte) (bool, error)
	write(block int64, data []byte) error
	// held returns the blocks that this file holds, in any order; only a child knows them.
	held() []int64
	Close() error
}

// flatLayer is the frozen or live base of a chain: the disk's bytes, one to one.
type flatLayer struct{ *os.File }

func (f flatLayer) read(block int64, buffer []byte) (bool, error) {
	_, err := f.ReadAt(buffer, block*blockSize)
	return true, err
}

func (f flatLayer) write(block int64, data []byte) error {
	_, err := f.WriteAt(data, block*blockSize)
	return err
}

func (f flatLayer) held() []int64 { return nil }

// childLayer holds the blocks that were written since the snapshot below it. They lie in order of arrival,
// each behind a sector with its number, so that no client can mistake the file for a flat disk.
type childLayer struct {
	file *os.File
	at   map[int64]int64
	end  int64
}

const (
	childMagic   = "FERRYCHD"
	childHeader  = 512
	childRecord  = childHeader + blockSize
	magicAndSize = 16
)

func openChild(path string) (*childLayer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	child := &childLayer{file: file, at: map[int64]int64{}}
	if err := child.index(); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return child, nil
}

// index finds the blocks. A record that was cut off by a kill was never acknowledged and is written over.
func (c *childLayer) index() error {
	info, err := c.file.Stat()
	if err != nil {
		return err
	}
	header := make([]byte, magicAndSize)
	for ; c.end+childRecord <= info.Size(); c.end += childRecord {
		if _, err := c.file.ReadAt(header, c.end); err != nil {
			return err
		}
		if string(header[:8]) != childMagic {
			return errors.New("is no child of a chain")
		}
		c.at[int64(binary.LittleEndian.Uint64(header[8:]))] = c.end + childHeader
	}
	return nil
}

func (c *childLayer) read(block int64, buffer []byte) (bool, error) {
	place, ok := c.at[block]
	if !ok {
		return false, nil
	}
	_, err := c.file.ReadAt(buffer, place)
	return true, err
}

func (c *childLayer) write(block int64, data []byte) error {
	place, ok := c.at[block]
	if ok {
		_, err := c.file.WriteAt(data, place)
		return err
	}
	record := make([]byte, childRecord)
	copy(record, childMagic)
	binary.LittleEndian.PutUint64(record[8:], uint64(block))
	copy(record[childHeader:], data)
	if _, err := c.file.WriteAt(record, c.end); err != nil {
		return err
	}
	c.at[block] = c.end + childHeader
	c.end += childRecord
	return nil
}

func (c *childLayer) held() []int64 {
	blocks := make([]int64, 0, len(c.at))
	for block := range c.at {
		blocks = append(blocks, block)
	}
	return blocks
}

func (c *childLayer) Close() error { return c.file.Close() }

// stack is the open files of a chain from one link down to the base: what a disk reads as at that link.
type stack struct {
	layers   []layer
	capacity int64
	buffer   [blockSize]byte
}

// blocks returns the number of blocks, and with it the number after the last.
func (s *stack) blocks() int64 { return (s.capacity + blockSize - 1) / blockSize }

// read returns the block as the topmost file that holds it has it. The bytes are good until the next read.
func (s *stack) read(block int64) ([]byte, error) {
	buffer := s.buffer[:s.length(block)]
	for _, each := range s.layers {
		found, err := each.read(block, buffer)
		if found && err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if found || err != nil {
			return buffer, err
		}
	}
	return nil, errors.New("a chain without a base")
}

// write puts the whole block into the topmost file.
func (s *stack) write(block int64, data []byte) error { return s.layers[0].write(block, data) }

// writeAt puts bytes at a place of the disk that has room for them.
func (s *stack) writeAt(data []byte, offset int64) error {
	for len(data) > 0 {
		block, within := offset/blockSize, offset%blockSize
		content, err := s.read(block)
		if err != nil {
			return err
		}
		count := copy(content[within:], data)
		if err := s.write(block, content); err != nil {
			return err
		}
		data, offset = data[count:], offset+int64(count)
	}
	return nil
}

// copyOut writes what the disk reads as to a sparse raw file.
func (s *stack) copyOut(path string) error {
	raw, err := os.Create(path)
	if err != nil {
		return err
	}
	defer raw.Close()
	if err := raw.Truncate(s.capacity); err != nil {
		return err
	}
	for block := int64(0); block < s.blocks(); block++ {
		data, err := s.read(block)
		if err != nil {
			return err
		}
		if isZero(data) {
			continue
		}
		if _, err := raw.WriteAt(data, block*blockSize); err != nil {
			return err
		}
	}
	return nil
}

var zeros [blockSize]byte

func isZero(data []byte) bool { return bytes.Equal(data, zeros[:len(data)]) }

func (s *stack) length(block int64) int64 {
	if rest := s.capacity - block*blockSize; rest < blockSize {
		return rest
	}
	return blockSize
}

// Close closes all files; their content has been handed to the kernel before, so nothing can fail late.
func (s *stack) Close() {
	for _, each := range s.layers {
		_ = each.Close()
	}
}
