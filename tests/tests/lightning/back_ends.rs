//! Back ends that are away, or are somebody else.

use satstile_tests::{Devnet, Stack, free_port, loopback};

use crate::common::{API, ask, get, opens};
use crate::{on, paid_by_bob};

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn the_second_back_end_stands_in_while_the_first_is_away() {
    let devnet = Devnet::shared();
    let nobody = format!("type=lnd-rest;server=https://{};macaroon=00", loopback(free_port()));
    let backends = format!("{nobody}\n{}", devnet.alice().connection());
    let stack = Stack::start(on(&backends));
    opens(&stack, &paid_by_bob(devnet, ask(&stack, API)).l402());
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_node_with_another_certificate_is_not_asked() {
    let devnet = Devnet::shared();
    let backends = devnet.alice().connection().replace(&devnet.alice().thumbprint(), &devnet.bob().thumbprint());
    let stack = Stack::start(on(&backends));
    assert_eq!(get(&stack, API).status, 503);
}
