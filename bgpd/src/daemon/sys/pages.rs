// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages of the program itself. The start runs through code that is not needed again (arguments, configuration, the API's
//! tables), and the kernel maps 64 KiB around whatever is touched.

use std::{fs, io, ops::Range};

/// Unmaps the pages of the program and its libraries that are as they are in their files. What is needed again comes back from the
/// page cache, without a disk unless memory is short. Returns how many octets were mapped.
///
/// # Errors
/// `/proc` is not there, or the kernel's.
pub(in crate::daemon) fn give_back_program() -> io::Result<usize> {
    let mut given = 0;
    for mapping in unchanged(&fs::read_to_string("/proc/self/smaps")?) {
        let length = mapping.range.len();
        // SAFETY: the mapping is read-only and has no page that differs from its file, so it reads the same afterwards.
        if unsafe { libc::madvise(mapping.range.start as *mut _, length, libc::MADV_DONTNEED) } != 0
        {
            return Err(io::Error::last_os_error());
        }
        given += mapping.resident;
    }
    Ok(given)
}

#[derive(Debug, Eq, PartialEq)]
struct Mapping {
    range: Range<usize>,
    /// In octets.
    resident: usize,
}

/// Mappings of files that nobody may write to, of which nothing differs from the file and nothing is locked, as `smaps` of
/// proc(5) shows them.
fn unchanged(smaps: &str) -> Vec<Mapping> {
    let mut found: Vec<Mapping> = Vec::new();
    let mut is_candidate = false;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some(key) = first.strip_suffix(':') {
            let value = words.next().and_then(|value| value.parse().ok());
            match (key, found.last_mut().filter(|_| is_candidate)) {
                ("Rss", Some(mapping)) => mapping.resident = value.unwrap_or(0) << 10,
                ("Anonymous" | "Locked", Some(_)) if value != Some(0) => {
                    found.pop();
                    is_candidate = false;
                }
                _ => {}
            }
            continue;
        }
        let flags = words.next().unwrap_or_default();
        let path = words.nth(3).unwrap_or_default();
        let range = address_range(first)
            .filter(|_| flags.starts_with("r-") && flags.ends_with('p') && path.starts_with('/'));
        is_candidate = range.is_some();
        found.extend(range.map(|range| Mapping { range, resident: 0 }));
    }
    found
}

fn address_range(text: &str) -> Option<Range<usize>> {
    let (start, end) = text.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
10000-14000 r--p 00000000 fe:00 77                         /usr/bin/bgpd
Size:                 16 kB
Rss:                  12 kB
Anonymous:             0 kB
Locked:                0 kB
VmFlags: rd mr mw me
14000-18000 r-xp 00004000 fe:00 77                         /usr/bin/bgpd (deleted)
Rss:                   8 kB
Anonymous:             0 kB
Locked:                0 kB
18000-1c000 r--p 00008000 fe:00 77                         /usr/bin/bgpd
Rss:                  16 kB
Anonymous:             4 kB
Locked:                0 kB
1c000-20000 rw-p 0000c000 fe:00 77                         /usr/bin/bgpd
Rss:                  16 kB
Anonymous:             0 kB
Locked:                0 kB
20000-24000 r-xp 00000000 00:00 0                          [vdso]
Rss:                   4 kB
Anonymous:             0 kB
Locked:                0 kB
24000-28000 r--s 00000000 fe:00 78                         /var/cache/shared
Rss:                   4 kB
Anonymous:             0 kB
Locked:                0 kB
28000-2c000 r-xp 00000000 fe:00 79                         /usr/lib/libc.so.6
Rss:                   4 kB
Anonymous:             0 kB
Locked:                4 kB
2c000-30000 r--p 00000000 00:00 0 
Rss:                   4 kB
Anonymous:             0 kB
Locked:                0 kB
";

    #[test]
    fn only_what_is_as_in_its_file_is_given_back() {
        let mapping = |range, resident| Mapping { range, resident };
        assert_eq!(
            unchanged(SMAPS),
            [
                mapping(0x10000..0x14000, 12 << 10),
                mapping(0x14000..0x18000, 8 << 10)
            ]
        );
    }

    #[test]
    fn the_program_runs_on_with_fewer_of_its_pages() {
        let resident = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("RssFile:"));
            let number = line.and_then(|line| line.split_ascii_whitespace().nth(1));
            number.unwrap().parse::<usize>().unwrap() << 10
        };
        // Something of the program that is not in use.
        let text = unchanged(&fs::read_to_string("/proc/self/smaps").unwrap());
        assert!(text.iter().any(|mapping| mapping.resident > 0), "{text:?}");
        let before = resident();
        let given = give_back_program().unwrap();
        let after = resident();
        assert!(given > 1 << 20, "{given} octets");
        assert!(
            after < before - given / 4,
            "{before}, {given} given back, {after}"
        );
    }
}
