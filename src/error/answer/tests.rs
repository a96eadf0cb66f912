use super::*;

#[cfg(feature = "_client")]
fn response() -> Response<Bytes> {
    Response::builder().status(302).header("set-cookie", "a=secret").body("secret".into()).unwrap()
}

#[test]
fn each_kind_of_a_client_has_a_predicate_of_its_name() {
    type Predicate = fn(&Error) -> bool;
    let table: [(Kind, Predicate); 4] = [
        (Kind::Redirect, Error::is_redirect),
        (Kind::Status, Error::is_status),
        (Kind::Decode, Error::is_decode),
        (Kind::Data, Error::is_data),
    ];
    for (kind, _) in table {
        for (other, holds) in table {
            assert_eq!(holds(&Error::custom(kind, "failing")), kind == other, "{kind:?} {other:?}");
        }
        let error = Error::custom(kind, "failing");
        assert!(!error.is_unsent() && !error.was_sent() && error.response().is_none());
    }
}

#[cfg(feature = "_client")]
#[test]
fn an_error_knows_its_response_and_url_however_often_it_is_wrapped() {
    let error =
        Error::new(Kind::Redirect, "following").with_url("http://a/").with_response(response());
    let wrapped = BoxError::from(std::io::Error::other(error.clone()));
    let wrapped = Error::adopt(wrapped, ForeignError::LAYER, "wrapping");
    for error in [error, wrapped] {
        assert_eq!((error.status().unwrap().as_u16(), error.url()), (302, Some("http://a/")));
        assert_eq!(error.response().unwrap().body(), "secret");
        assert!(error.was_sent() && error.is_redirect());
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
