//! File systems of which this machine is not told when another one changes them.

use std::path::Path;

/// Why the system cannot be relied upon there.
pub(super) const WHY: &str = "the rules lie on a file system that other machines change (NFS, SMB, a shared folder)";

/// Their magic numbers, as `statfs` gives them (Linux's `magic.h`): 9p, AFS, Ceph, CIFS, FUSE, GFS2, Lustre, NFS, OCFS2,
/// SMB, SMB2, VirtualBox and VMware shared folders.
const REMOTE: [u64; 13] = [
    0x0102_1997,
    0x5346_414f,
    0x00c3_6400,
    0xff53_4d42,
    0x6573_5546,
    0x0116_1970,
    0x0bd0_0bd0,
    0x0000_6969,
    0x7461_636f,
    0x0000_517b,
    0xfe53_4d42,
    0x786f_4256,
    0xbacb_acbc,
];

/// Whether other machines may change what is there without this one being told.
pub(super) fn is_remote(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|known| is_one_of_them(known.f_type as u64))
}

/// The numbers have 32 bits, and some machines give them with a sign.
fn is_one_of_them(magic: u64) -> bool {
    REMOTE.contains(&(magic & 0xffff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_machines_change_is_known_by_its_number_also_with_a_sign() {
        for magic in [0x6969, 0x6573_5546, 0xff53_4d42, (0xff53_4d42_u32 as i32) as u64] {
            assert!(is_one_of_them(magic), "{magic:x}");
        }
        // ext4, XFS, btrfs, tmpfs, overlay
        for magic in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630] {
            assert!(!is_one_of_them(magic), "{magic:x}");
        }
        assert!(!is_remote(Path::new("/nowhere/at/all")));
    }
}
