CREATE FUNCTION push_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM apalis.push('receipts', jsonb_build_object('order', NEW.id), '{"delay": "1m", "attempts": 3}');
  RETURN NEW;
END
$$;
CREATE TRIGGER push_receipt AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION push_receipt();
