// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The pure crates where there is no `std`, and so no clock, socket, file, thread or environment.
//!
//! With feature `alone` this library has a panic handler of its own. There can be only one: were `std` used anywhere
//! below, it would not compile. `cargo xtask purity` builds it so, and once more with `leak` to see that it fails.
#![no_std]

use bfd as _;
use bgp_fsm as _;
use bgp_proto as _;
use rib as _;

#[cfg(feature = "leak")]
extern crate std;

#[cfg(feature = "alone")]
mod alone {
    use core::{
        alloc::{GlobalAlloc, Layout},
        panic::PanicInfo,
        ptr,
    };

    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        loop {}
    }

    struct Nothing;

    #[expect(
        unsafe_code,
        reason = "the trait is unsafe; nothing is ever handed out"
    )]
    // SAFETY: null says that there is no memory, and nothing else is promised.
    unsafe impl GlobalAlloc for Nothing {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            ptr::null_mut()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }

    #[global_allocator]
    static NOTHING: Nothing = Nothing;
}
