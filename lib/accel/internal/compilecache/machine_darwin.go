package compilecache

import "golang.org/x/sys/unix"

func processors() (string, error) { return unix.Sysctl("machdep.cpu.brand_string") }
